
BqJµCºDþCÄD¹CÇC.CD