"""What a user can do something about."""


class UserError(Exception):
    """A mistake of the user or a lack in their environment: its text is shown as it is, without a traceback.

    The text names what is wrong, where, and the way out.
    """


def reason(error: Exception) -> str:
    """Return what an error says, in words: of one of the system the file and the cause, without its number."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return f"{error.filename2 or error.filename}: {error.strerror}" if error.filename else error.strerror
