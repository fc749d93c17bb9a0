/* stb_image as it is built here: for decode.c, and stb.c, which has its body. */
#ifndef ANET_STB_H
#define ANET_STB_H

#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_NO_PSD
#define STBI_NO_PIC
#define STBI_NO_FAILURE_STRINGS /* one of them is shared by all threads */
#include <stb/stb_image.h>

#endif
