"""What `lior plugins new` writes: a plugin of each kind of lior, named `Mine`, and the files around it."""
