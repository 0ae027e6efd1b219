
BnJ³½:½p¹©¹üºZ½å¸_»É½ùDáDiA Cï»:C?ËJŽH±@~?.@AÌ@~?’@S@AšD‹HÏG¬JHñEŠI·MQNÊ¼¿â¾‚¸ï¼.¼¡º	º}¼xC—A©A×?kIGï»îFXA®@~?;AAW@y@?@»@ª?"JÐK»ALH4LL¡)¬G3@