/* An ALSA device that one program at a time may have, as a sound card without a sound server is: it opens another
 * device, unless some other process has locked a file; then it is busy. Needs no headers of ALSA. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

typedef struct snd_pcm snd_pcm_t;
typedef struct snd_config snd_config_t;
int snd_config_search(snd_config_t *config, const char *key, snd_config_t **found);
int snd_config_get_string(const snd_config_t *config, const char **text);
int snd_pcm_open_lconf(snd_pcm_t **pcm, const char *name, int stream, int mode, snd_config_t *config);

static const char *text(snd_config_t *config, const char *key) {
    snd_config_t *node;
    const char *found = 0;
    if (snd_config_search(config, key, &node) == 0) snd_config_get_string(node, &found);
    return found;
}

int _snd_pcm_exclusive_open(snd_pcm_t **pcm, const char *name, snd_config_t *root, snd_config_t *config, int stream,
                            int mode) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    const char *path = text(config, "lock"), *device = text(config, "device");
    if (!path || !device) return -EINVAL;
    int file = open(path, O_RDWR | O_CREAT, 0600);
    if (file < 0) return -errno;
    int held = fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(file);
    return held ? -EBUSY : snd_pcm_open_lconf(pcm, device, stream, mode, root);
}

char __snd_pcm_exclusive_open_dlsym_pcm_001; /* how ALSA knows the version of the call above */
