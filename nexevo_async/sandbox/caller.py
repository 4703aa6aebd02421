from typing import Final, NamedTuple


class Caller(NamedTuple):
    """Who sends a request.

    Attributes:
        user_id: The account that acts, or that made the organization's key.
        key_id: The API key, or the session.
        organization_id: Set where the key belongs to an organization: it acts within that one
            alone, and never for the person who made it.
    """

    user_id: str
    key_id: str
    organization_id: str | None = None

    @property
    def account_id(self) -> str:
        """Whose the stored things are: the organization's, or the user's."""
        return self.organization_id or self.user_id


NOBODY: Final = Caller("", "")
"""Who calls what needs no key."""
