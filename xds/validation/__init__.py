"""The constraints of Envoy's API (protoc-gen-validate), compiled to checks."""
