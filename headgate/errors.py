"""What a user can do something about."""


class UserError(Exception):
    """A mistake of the user or a lack in their environment: its text is shown as it is, without a traceback.

    The text names what is wrong, where, and the way out.
    """
