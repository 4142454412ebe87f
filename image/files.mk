# SPDX-License-Identifier: Apache-2.0
# The image store, which every command uses, and the builder, which only
# jiffy-image links (libarchive).
IMAGE_STORE_SRCS += image/manifest.c
IMAGE_STORE_SRCS += image/ref.c
IMAGE_STORE_SRCS += image/store.c

JIFFY_SRCS += $(IMAGE_STORE_SRCS)
JIFFY_IMAGE_SRCS += $(IMAGE_STORE_SRCS)

IMAGE_BUILD_SRCS += image/apt.c
IMAGE_BUILD_SRCS += image/build.c
IMAGE_BUILD_SRCS += image/copy.c
IMAGE_BUILD_SRCS += image/erofs.c
IMAGE_BUILD_SRCS += image/oci.c
IMAGE_BUILD_SRCS += image/progress.c
IMAGE_BUILD_SRCS += image/seen.c
IMAGE_BUILD_SRCS += image/src_deb.c
IMAGE_BUILD_SRCS += image/src_dir.c
IMAGE_BUILD_SRCS += image/src_oci.c
IMAGE_BUILD_SRCS += image/src_tar.c
IMAGE_BUILD_SRCS += image/strip.c
IMAGE_BUILD_SRCS += image/unpack.c
IMAGE_BUILD_SRCS += image/userns.c
IMAGE_BUILD_SRCS += image/walk.c
IMAGE_BUILD_SRCS += image/words.c

JIFFY_IMAGE_SRCS += $(IMAGE_BUILD_SRCS)
