"""Translation and validation without a proxy."""
