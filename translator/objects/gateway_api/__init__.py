"""The Gateway API's own kinds."""
