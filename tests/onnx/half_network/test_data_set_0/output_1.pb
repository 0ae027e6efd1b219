
BnJH«@ŽD-¤1D”CbGIDEnCÉ<X?‘:aDxG
D`CQD&9]9P>@18Ú9ý?=-67Â>=
=B/ëB>;€9E