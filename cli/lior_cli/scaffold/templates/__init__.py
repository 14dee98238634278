"""What `lior plugins new` writes: a plugin of each kind named `Mine`, and the files around it."""
