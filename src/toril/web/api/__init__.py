"""The admin API: a resource a module, put together into one router."""
