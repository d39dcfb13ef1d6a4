"""Discovery of OpenID providers: reads what issuers publish about their endpoints and keys."""
