"""Decision records: what a decision depended on, kept so that it need not be made again."""
