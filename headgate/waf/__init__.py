"""The web application firewall: a service of its own, which proxies ask by Envoy's ``ext_proc``.

It runs libmodsecurity with the OWASP Core Rule Set in processes of their own: the library holds Python's lock while it
works, and nothing but the end of its process stops an expression that takes too long.
"""
