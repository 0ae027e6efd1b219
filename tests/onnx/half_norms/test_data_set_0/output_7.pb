
BqJD C;C˜DJ@ZDªA¥B