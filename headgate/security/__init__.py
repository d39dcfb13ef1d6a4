"""Authentication and authorisation: our certificate authority, certificates and tokens of proxies."""
