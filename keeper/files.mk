# SPDX-License-Identifier: Apache-2.0
KEEPER_SRCS := keeper/keeper.c keeper/main.c keeper/spare.c keeper/upgrade.c
