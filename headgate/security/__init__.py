"""Who may talk to whom: certificates of our own authority, and what a proxy proves itself with."""
