"""The chain that every call goes through, a module a concern."""
