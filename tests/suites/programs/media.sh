# SPDX-License-Identifier: Apache-2.0
# image: media
# ImageMagick and ffmpeg: many threads, large mappings, pipes.
set -eu
cd /tmp
convert -size 600x400 gradient:red-blue -rotate 90 -resize 50% a.png
[ "$(identify -format '%m %wx%h' a.png)" = 'PNG 200x300' ]
convert a.png ppm:- | convert ppm:- -negate -negate b.png
[ "$(compare -metric AE a.png b.png null: 2>&1)" = 0 ]
ffmpeg -loglevel error -f lavfi -i testsrc=duration=2:size=320x240:rate=10 \
	-f lavfi -i sine=duration=2 -c:v libx264 -threads 4 -y o.mp4
ffmpeg -loglevel error -i o.mp4 -f rawvideo -pix_fmt gray - | wc -c >size
[ "$(cat size)" = $((320 * 240 * 20)) ]
[ "$(ffprobe -loglevel error -show_entries format=nb_streams o.mp4 |
	sed -n 2p)" = nb_streams=2 ]
