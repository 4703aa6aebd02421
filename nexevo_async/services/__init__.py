"""The coroutines that users call, a module a resource."""
