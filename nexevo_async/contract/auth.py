from datetime import datetime
from typing import Annotated, Any, Final, NotRequired, TypedDict

import attrs
import msgspec

from nexevo_async.contract.model import Model, hidden
from nexevo_async.contract.operation import Operation


@attrs.frozen(kw_only=True)
class User(Model):
    """An account.

    Attributes:
        user_id: Its id [P].
        email: Its address [P].
        full_name: The name of its holder [P].
        two_fa_enabled: Whether a login asks for a second factor [P].
        created_at: When it was registered, in UTC [P].
    """

    user_id: str | None = None
    email: str | None = None
    full_name: str | None = None
    two_fa_enabled: bool | None = None
    created_at: datetime | None = None


@attrs.frozen(kw_only=True)
class Session(Model):
    """A login: its token acts for the account.

    Attributes:
        access_token: Give it as ``api_key`` [P].
        token_type: ``Bearer`` [P].
        expires_in: Seconds until the token dies [P].
        user: The account [P].
    """

    access_token: str | None = hidden()
    token_type: str | None = None
    expires_in: int | None = None
    user: User | None = None


@attrs.frozen(kw_only=True)
class TwoFactorStatus(Model):
    """Whether an account has a second factor.

    Attributes:
        enabled: Whether a login asks for it [P].
        enabled_at: Since when, in UTC [P].
        recovery_codes_left: How many codes are left for a lost device [P].
    """

    enabled: bool | None = None
    enabled_at: datetime | None = None
    recovery_codes_left: int | None = None


@attrs.frozen(kw_only=True)
class TwoFactorSetup(Model):
    """A secret for an authenticator app, by RFC 6238: SHA-1, 6 digits, 30 s.

    Attributes:
        secret: The secret in base32 [P].
        otpauth_url: The same as a URL, to be shown as a QR code [P].
    """

    secret: str | None = hidden()
    otpauth_url: str | None = hidden()


@attrs.frozen(kw_only=True)
class TwoFactorEnabled(Model):
    """A second factor that is on from now.

    Attributes:
        enabled: True [P].
        recovery_codes: Codes for a lost device, each for one login; shown this once [P].
    """

    enabled: bool | None = None
    recovery_codes: list[str] | None = hidden()


@attrs.frozen(kw_only=True)
class DataExport(Model):
    """All that is stored on the caller, secrets aside [P].

    Attributes:
        user: The account.
        api_keys: Its API keys, without the keys themselves.
        organizations: The organizations that it belongs to.
        conversations: Its conversations, with their messages.
        conversation_models: The model to which the router keeps each conversation.
        feedback: Its feedback.
        billing: Its balance, plan and every movement of its money.
        exported_at: When this was put together, in UTC.
    """

    user: User | None = None
    api_keys: list[dict[str, Any]] | None = None
    organizations: list[dict[str, Any]] | None = None
    conversations: list[dict[str, Any]] | None = None
    conversation_models: list[dict[str, Any]] | None = None
    feedback: list[dict[str, Any]] | None = None
    billing: dict[str, Any] | None = None
    exported_at: datetime | None = None


Email = Annotated[str, msgspec.Meta(min_length=3, max_length=254, pattern="^[^@\\s]+@[^@\\s]+$")]
Password = Annotated[str, msgspec.Meta(min_length=8, max_length=1024)]


class RegisterBody(TypedDict):
    """The body of register; the sandbox takes passwords of 8 to 1,024 characters [P]."""

    email: Email
    password: Password
    full_name: NotRequired[str | None]


class LoginBody(TypedDict):
    """The body of login."""

    email: str
    password: str
    totp_code: NotRequired[str | None]


class PasswordResetBody(TypedDict):
    """The body of request_password_reset."""

    email: str


class ConfirmPasswordResetBody(TypedDict):
    """The body of confirm_password_reset."""

    token: str
    new_password: Password


class ProfileBody(TypedDict, total=False):
    """The body of update_profile."""

    full_name: str | None


class ChangePasswordBody(TypedDict):
    """The body of change_password."""

    current_password: str
    new_password: Password


class TwoFactorCodeBody(TypedDict):
    """The body of two_fa_enable."""

    code: str


class DisableTwoFactorBody(TypedDict):
    """The body of two_fa_disable."""

    password: str
    code: str


class DeactivateBody(TypedDict):
    """The body of deactivate."""

    password: str


REGISTER: Final = Operation(
    name="auth.register",
    method="POST",
    path="/auth/register",
    answer=Session,
    body=RegisterBody,
    envelope="session",
    needs_key=False,
    summary="Open an account.",
)
LOGIN: Final = Operation(
    name="auth.login",
    method="POST",
    path="/auth/login",
    answer=Session,
    body=LoginBody,
    envelope="session",
    needs_key=False,
    summary="Begin a session.",
)
LOGOUT: Final = Operation[None](
    name="auth.logout",
    method="POST",
    path="/auth/logout",
    answer=None,
    status=204,
    resend="idempotent",
    done_status=401,  # the token is dead
    summary="End the session whose token is used.",
)
REQUEST_PASSWORD_RESET: Final = Operation[None](
    name="auth.request_password_reset",
    method="POST",
    path="/auth/password-reset",
    answer=None,
    body=PasswordResetBody,
    status=202,
    needs_key=False,
    summary="Have a mail sent with which to set a new password.",
)
CONFIRM_PASSWORD_RESET: Final = Operation[None](
    name="auth.confirm_password_reset",
    method="POST",
    path="/auth/password-reset/confirm",
    answer=None,
    body=ConfirmPasswordResetBody,
    status=204,
    needs_key=False,
    summary="Set a new password with the token of the mail.",
)
ME: Final = Operation(
    name="auth.me",
    method="GET",
    path="/auth/me",
    answer=User,
    envelope="user",
    resend="idempotent",
    summary="Give the caller's account.",
)
UPDATE_PROFILE: Final = Operation(
    name="auth.update_profile",
    method="PATCH",
    path="/auth/me",
    answer=User,
    body=ProfileBody,
    envelope="user",
    resend="idempotent",
    summary="Change the caller's account.",
)
CHANGE_PASSWORD: Final = Operation[None](
    name="auth.change_password",
    method="POST",
    path="/auth/change-password",
    answer=None,
    body=ChangePasswordBody,
    status=204,
    summary="Set a new password, and end the other sessions.",
)
TWO_FA_STATUS: Final = Operation(
    name="auth.two_fa_status",
    method="GET",
    path="/auth/2fa",
    answer=TwoFactorStatus,
    envelope="two_fa",
    resend="idempotent",
    summary="Say whether there is a second factor.",
)
TWO_FA_SETUP: Final = Operation(
    name="auth.two_fa_setup",
    method="POST",
    path="/auth/2fa/setup",
    answer=TwoFactorSetup,
    envelope="two_fa",
    summary="Give a secret for an authenticator app.",
)
TWO_FA_ENABLE: Final = Operation(
    name="auth.two_fa_enable",
    method="POST",
    path="/auth/2fa/enable",
    answer=TwoFactorEnabled,
    body=TwoFactorCodeBody,
    envelope="two_fa",
    summary="Switch the second factor on.",
)
TWO_FA_DISABLE: Final = Operation(
    name="auth.two_fa_disable",
    method="POST",
    path="/auth/2fa/disable",
    answer=TwoFactorStatus,
    body=DisableTwoFactorBody,
    envelope="two_fa",
    summary="Switch the second factor off.",
)
EXPORT_DATA: Final = Operation(
    name="auth.export_data",
    method="GET",
    path="/auth/export",
    answer=DataExport,
    envelope="export",
    resend="idempotent",
    summary="Give all that is stored on the caller.",
)
DEACTIVATE: Final = Operation[None](
    name="auth.deactivate",
    method="POST",
    path="/auth/deactivate",
    answer=None,
    body=DeactivateBody,
    status=204,
    summary="Close the account and erase its personal data.",
)

OPERATIONS: Final = (
    REGISTER,
    LOGIN,
    LOGOUT,
    REQUEST_PASSWORD_RESET,
    CONFIRM_PASSWORD_RESET,
    ME,
    UPDATE_PROFILE,
    CHANGE_PASSWORD,
    TWO_FA_STATUS,
    TWO_FA_SETUP,
    TWO_FA_ENABLE,
    TWO_FA_DISABLE,
    EXPORT_DATA,
    DEACTIVATE,
)
