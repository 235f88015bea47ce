"""Fill a cache from another one: what uv would download or copy again."""
