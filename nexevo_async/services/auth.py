from typing import Unpack, final

from nexevo_async.config import CallOptions
from nexevo_async.contract import auth as contract
from nexevo_async.contract import checks
from nexevo_async.contract.auth import (
    DataExport,
    Session,
    TwoFactorEnabled,
    TwoFactorSetup,
    TwoFactorStatus,
    User,
)
from nexevo_async.services.caller import Caller, body


@final
class Auth:
    """Accounts: registration, login, second factor, profile, and what the GDPR asks for [D].

    `register`, `login` and the two calls of a password reset need no key. The others act for the
    account of the client's key, or of the session whose token is its key.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def register(
        self,
        *,
        email: str,
        password: str,
        full_name: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Session:
        """Open an account [D: the feature; P: the call]. It needs no key.

        Args:
            email: Its address, which no other account has.
            password: Its password; the sandbox takes 8 to 1,024 characters [P].
            full_name: The name of its holder.
            **options: See `CallOptions`. A lost answer leaves open whether the account was made;
                a `login` tells.

        Returns:
            A session of the new account.

        Raises:
            TypeError: An argument has the wrong type.
            ConflictError: The address is taken.
            UnprocessableEntityError: The address is none, or the password is too short.

        Example:
            >>> session = await client.auth.register(
            ...     email="jane@example.com", password="correct horse battery", full_name="Jane"
            ... )
            >>> jane = client.with_options(api_key=session.access_token)
            >>> (await jane.auth.me()).full_name
            'Jane'
        """
        return await self._caller.one(
            contract.REGISTER,
            contract.REGISTER.path,
            body=body(
                {
                    "email": checks.string("email", email),
                    "password": checks.string("password", password),
                    "full_name": checks.given(checks.string, "full_name", full_name),
                },
                options,
            ),
            options=options,
        )

    async def login(
        self,
        *,
        email: str,
        password: str,
        totp_code: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Session:
        """Begin a session [D: the feature; P: the call]. It needs no key.

        Args:
            email: The account's address.
            password: Its password.
            totp_code: The six digits that the authenticator app shows, or a recovery code; needed
                once the second factor is on.
            **options: See `CallOptions`.

        Returns:
            The session; give its ``access_token`` as ``api_key`` to act for it. It dies after
            ``expires_in`` seconds.

        Raises:
            TypeError: An argument has the wrong type.
            AuthenticationError: Its ``code`` says why [P]: ``invalid_credentials``,
                ``two_factor_required`` or ``two_factor_invalid``.
            RateLimitError: There were too many attempts.

        Example:
            >>> _ = await client.auth.register(
            ...     email="jane@example.com", password="correct horse battery"
            ... )
            >>> session = await client.auth.login(
            ...     email="jane@example.com", password="correct horse battery"
            ... )
            >>> session.token_type
            'Bearer'
        """
        return await self._caller.one(
            contract.LOGIN,
            contract.LOGIN.path,
            body=body(
                {
                    "email": checks.string("email", email),
                    "password": checks.string("password", password),
                    "totp_code": checks.given(checks.string, "totp_code", totp_code),
                },
                options,
            ),
            options=options,
        )

    async def logout(self, **options: Unpack[CallOptions]) -> None:
        """End the session whose token is the client's key [D: the feature; P: the call].

        Args:
            **options: See `CallOptions`.

        Raises:
            AuthenticationError: The token is dead already.

        Example:
            >>> session = await client.auth.register(
            ...     email="jane@example.com", password="correct horse battery"
            ... )
            >>> jane = client.with_options(api_key=session.access_token)
            >>> await jane.auth.logout()
        """
        await self._caller.nothing(contract.LOGOUT, contract.LOGOUT.path, options=options)

    async def request_password_reset(self, *, email: str, **options: Unpack[CallOptions]) -> None:
        """Have a mail sent with which to set a new password [D: the feature; P: the call].

        It needs no key. The answer is the same whether or not there is such an account.

        Args:
            email: The account's address.
            **options: See `CallOptions`.

        Raises:
            TypeError: The address is not a string.

        Example:
            >>> await client.auth.request_password_reset(email="jane@example.com")
        """
        await self._caller.nothing(
            contract.REQUEST_PASSWORD_RESET,
            contract.REQUEST_PASSWORD_RESET.path,
            body=body({"email": checks.string("email", email)}, options),
            options=options,
        )

    async def confirm_password_reset(
        self, *, token: str, new_password: str, **options: Unpack[CallOptions]
    ) -> None:
        """Set a new password with the token of the mail [D: the feature; P: the call].

        It needs no key, and ends all sessions of the account.

        Args:
            token: What the mail holds; good for one use within an hour [P].
            new_password: The new password.
            **options: See `CallOptions`.

        Raises:
            TypeError: An argument has the wrong type.
            APIStatusError: The token was used, is too old, or is none; or the password is refused.

        Example:
            >>> from nexevo_async import APIStatusError
            >>> try:
            ...     await client.auth.confirm_password_reset(
            ...         token="not-from-a-mail", new_password="correct horse battery"
            ...     )
            ... except APIStatusError as error:
            ...     print("ask for another mail")
            ask for another mail
        """
        await self._caller.nothing(
            contract.CONFIRM_PASSWORD_RESET,
            contract.CONFIRM_PASSWORD_RESET.path,
            body=body(
                {
                    "token": checks.string("token", token),
                    "new_password": checks.string("new_password", new_password),
                },
                options,
            ),
            options=options,
        )

    async def me(self, **options: Unpack[CallOptions]) -> User:
        """Give the account of the client's key [D: the call; P: its path and its answer].

        Args:
            **options: See `CallOptions`.

        Returns:
            The account.

        Raises:
            AuthenticationError: The key is not known, or no longer.

        Example:
            >>> me = await client.auth.me()
            >>> me.two_fa_enabled
            False
        """
        return await self._caller.one(contract.ME, contract.ME.path, options=options)

    async def update_profile(
        self, *, full_name: str | None, **options: Unpack[CallOptions]
    ) -> User:
        """Change the account of the client's key [D: the call; P: its path and its answer].

        Args:
            full_name: The name of its holder; None clears it [P].
            **options: See `CallOptions`.

        Returns:
            The changed account.

        Raises:
            TypeError: The name is neither a string nor None.

        Example:
            >>> me = await client.auth.update_profile(full_name="Jane Doe")
            >>> me.full_name
            'Jane Doe'
        """
        return await self._caller.one(
            contract.UPDATE_PROFILE,
            contract.UPDATE_PROFILE.path,
            body=body(
                {"full_name": checks.nullable(checks.string, "full_name", full_name)}, options
            ),
            options=options,
        )

    async def change_password(
        self, *, current_password: str, new_password: str, **options: Unpack[CallOptions]
    ) -> None:
        """Set a new password, and end the other sessions [D: the call; P: its path].

        Args:
            current_password: The password until now.
            new_password: The password from now on; the sandbox takes 8 to 1,024 characters [P].
            **options: See `CallOptions`.

        Raises:
            TypeError: An argument has the wrong type.
            AuthenticationError: The current password is another.
            UnprocessableEntityError: The new password is refused.

        Example:
            >>> session = await client.auth.register(email="jane@example.com", password="old-pwd-1")
            >>> jane = client.with_options(api_key=session.access_token)
            >>> await jane.auth.change_password(
            ...     current_password="old-pwd-1", new_password="new-pwd-123"
            ... )
        """
        await self._caller.nothing(
            contract.CHANGE_PASSWORD,
            contract.CHANGE_PASSWORD.path,
            body=body(
                {
                    "current_password": checks.string("current_password", current_password),
                    "new_password": checks.string("new_password", new_password),
                },
                options,
            ),
            options=options,
        )

    async def two_fa_status(self, **options: Unpack[CallOptions]) -> TwoFactorStatus:
        """Say whether a login asks for a second factor [D: the call; P: its path and its answer].

        Args:
            **options: See `CallOptions`.

        Returns:
            Whether it does, since when, and how many recovery codes are left.

        Raises:
            AuthenticationError: The key is not known, or no longer.

        Example:
            >>> status = await client.auth.two_fa_status()
            >>> status.enabled
            False
        """
        return await self._caller.one(
            contract.TWO_FA_STATUS, contract.TWO_FA_STATUS.path, options=options
        )

    async def two_fa_setup(self, **options: Unpack[CallOptions]) -> TwoFactorSetup:
        """Give a secret for an authenticator app [D: the feature; P: the call].

        Nothing changes for a login until `two_fa_enable`.

        Args:
            **options: See `CallOptions`.

        Returns:
            The secret, and the same as a URL for a QR code; by RFC 6238 with SHA-1, 6 digits and
            30 seconds [P].

        Raises:
            ConflictError: There is a second factor already.

        Example:
            >>> setup = await client.auth.two_fa_setup()
            >>> setup["otpauth_url"].startswith("otpauth://totp/")
            True
        """
        return await self._caller.one(
            contract.TWO_FA_SETUP, contract.TWO_FA_SETUP.path, options=options
        )

    async def two_fa_enable(self, *, code: str, **options: Unpack[CallOptions]) -> TwoFactorEnabled:
        """Switch the second factor on [D: the feature; P: the call].

        Args:
            code: The six digits that the app shows for the secret of `two_fa_setup`.
            **options: See `CallOptions`.

        Returns:
            The recovery codes, shown this once; each is good for one login without the app.

        Raises:
            TypeError: The code is not a string.
            APIStatusError: The code is wrong, or there was no `two_fa_setup`.

        Example:
            >>> import pyotp
            >>> setup = await client.auth.two_fa_setup()
            >>> enabled = await client.auth.two_fa_enable(code=pyotp.TOTP(setup["secret"]).now())
            >>> enabled.enabled
            True
        """
        return await self._caller.one(
            contract.TWO_FA_ENABLE,
            contract.TWO_FA_ENABLE.path,
            body=body({"code": checks.string("code", code)}, options),
            options=options,
        )

    async def two_fa_disable(
        self, *, password: str, code: str, **options: Unpack[CallOptions]
    ) -> TwoFactorStatus:
        """Switch the second factor off [D: the feature; P: the call].

        Args:
            password: The account's password.
            code: The six digits that the app shows, or a recovery code.
            **options: See `CallOptions`.

        Returns:
            The status, which is off.

        Raises:
            TypeError: An argument has the wrong type.
            APIStatusError: The password or the code is wrong.

        Example:
            >>> import pyotp
            >>> session = await client.auth.register(
            ...     email="jane@example.com", password="correct horse battery"
            ... )
            >>> jane = client.with_options(api_key=session.access_token)
            >>> setup = await jane.auth.two_fa_setup()
            >>> on = await jane.auth.two_fa_enable(code=pyotp.TOTP(setup["secret"]).now())
            >>> status = await jane.auth.two_fa_disable(
            ...     password="correct horse battery", code=on["recovery_codes"][0]
            ... )
            >>> status.enabled
            False
        """
        return await self._caller.one(
            contract.TWO_FA_DISABLE,
            contract.TWO_FA_DISABLE.path,
            body=body(
                {
                    "password": checks.string("password", password),
                    "code": checks.string("code", code),
                },
                options,
            ),
            options=options,
        )

    async def export_data(self, **options: Unpack[CallOptions]) -> DataExport:
        """Give all that is stored on the account, secrets aside [D: the feature; P: the call].

        Args:
            **options: See `CallOptions`.

        Returns:
            The data; ``to_dict()`` gives them as they came, to be kept as a file.

        Raises:
            AuthenticationError: The key is not known, or no longer.

        Example:
            >>> _ = await client.conversations.create(title="My Session")
            >>> export = await client.auth.export_data()
            >>> [conv["title"] for conv in export["conversations"]]
            ['My Session']
        """
        return await self._caller.one(
            contract.EXPORT_DATA, contract.EXPORT_DATA.path, options=options
        )

    async def deactivate(self, *, password: str, **options: Unpack[CallOptions]) -> None:
        """Close the account, for good [D: the feature; P: the call].

        Its keys are revoked, its sessions end and its personal data are erased; what was paid and
        spent is kept, without a name.

        Args:
            password: The account's password.
            **options: See `CallOptions`.

        Raises:
            TypeError: The password is not a string.
            AuthenticationError: The password is wrong.
            ConflictError: The account owns an organization that has other members.

        Example:
            >>> session = await client.auth.register(
            ...     email="jane@example.com", password="correct horse battery"
            ... )
            >>> jane = client.with_options(api_key=session.access_token)
            >>> await jane.auth.deactivate(password="correct horse battery")
        """
        await self._caller.nothing(
            contract.DEACTIVATE,
            contract.DEACTIVATE.path,
            body=body({"password": checks.string("password", password)}, options),
            options=options,
        )
