/* replay - runs a fuzz target over the files of its seed corpus, where libFuzzer is not at hand. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    long size = -1;
    if (f && !fseek(f, 0, SEEK_END)) size = ftell(f);
    if (size < 0 || fseek(f, 0, SEEK_SET)) {
        perror(path);
        if (f) fclose(f);
        return 1;
    }
    /* A block of exactly this size, so that the sanitizer sees the first byte read past it. */
    uint8_t *data = malloc(size ? (size_t)size : 1);
    bool whole = data && fread(data, 1, (size_t)size, f) == (size_t)size;
    fclose(f);
    if (whole) {
        LLVMFuzzerTestOneInput(data, (size_t)size);
    } else {
        fprintf(stderr, "%s: could not be read whole\n", path);
    }
    free(data);
    return !whole;
}

int main(int argc, char **argv)
{
    int count = 0, failed = 0;
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        if (!dir) {
            perror(argv[i]);
            return 1;
        }
        for (struct dirent *e; (e = readdir(dir));) {
            if (e->d_name[0] == '.') continue;
            char path[4096];
            int n = snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            if (n < 0 || (size_t)n >= sizeof path) abort();
            failed |= replay_file(path);
            count++;
        }
        closedir(dir);
    }
    printf("%d inputs replayed\n", count);
    return failed;
}
