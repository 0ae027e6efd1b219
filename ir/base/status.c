/* status - names of the status codes. */
#include "runtime/qcc.h"

const char *qcc_status_name(QccStatus status)
{
    switch (status) {
    case QCC_OK: return "success";
    case QCC_ERROR_INPUT: return "input error";
    case QCC_ERROR_USAGE: return "usage error";
    case QCC_ERROR_UNSUPPORTED: return "unsupported";
    case QCC_ERROR_ACCURACY: return "accuracy limit missed";
    case QCC_ERROR_IO: return "i/o error";
    case QCC_ERROR_MEMORY: return "out of memory";
    case QCC_ERROR_CANCELLED: return "cancelled";
    case QCC_ERROR_INTERNAL: return "internal error";
    }
    return "unknown status";
}
