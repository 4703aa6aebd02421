import secrets


def new_id(prefix: str) -> str:
    """Give the prefix and 24 random url-safe characters."""
    return prefix + secrets.token_urlsafe(18)
