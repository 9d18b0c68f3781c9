raise RuntimeError("this plugin wants a library that nobody has")
