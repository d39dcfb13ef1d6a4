"""Errors that a user can fix."""


class UserError(Exception):
    """An error that the user can fix; its text is shown without a traceback.

    The text names the place, the fault and the fix.
    """


def reason(error: Exception) -> str:
    """Return the message of an error; of an OSError the file and the cause, without its number."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return f"{error.filename2 or error.filename}: {error.strerror}" if error.filename else error.strerror
