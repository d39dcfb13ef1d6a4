"""Routes' rules, translated to the IR."""
