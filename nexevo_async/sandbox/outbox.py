"""The mails that the gateway would send: nobody gets them but who asks the sandbox."""

from typing import NotRequired, TypedDict


class Mail(TypedDict):
    """One mail.

    Attributes:
        to: The address.
        subject: The subject.
        body: The text.
        token: The token that the text holds, where it holds one.
    """

    to: str
    subject: str
    body: str
    token: NotRequired[str]
