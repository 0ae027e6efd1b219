/* no_facade - libqcc-rt has no frontend and no passes. */
#include "runtime/context.h"

const QccFacade *qcc_facade(void)
{
    return NULL;
}
