"""What travels: the models, the operations and the checks of arguments. No I/O."""
