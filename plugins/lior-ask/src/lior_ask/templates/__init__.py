"""What `lior plugins new` writes for the kinds that lior-ask uses: a plugin named `Mine`."""
