
BcJì>