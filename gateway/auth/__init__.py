"""Who is calling, and what they may do: the token verifier, and the token service."""
