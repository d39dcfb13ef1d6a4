"""The languages of strings that Envoy interprets: their syntax, and what Envoy would refuse in them."""
