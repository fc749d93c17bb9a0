/* Small networks of the well-known shapes, built with the public API. All weights are random but
 * fixed by the seed, and so are the norms' statistics. NULL, after a message, if building failed.
 */
#ifndef ANET_ZOO_H
#define ANET_ZOO_H

#include "anet.h"

/* Stem, three stages of `blocks` basic blocks (projection shortcuts), pool, linear (He et al.
 * 2016). */
anet_net *zoo_resnet20(int32_t size, const int32_t width[3], int32_t blocks, int32_t classes,
                       double seed);
/* Four stages of bottlenecks with `width`, twice it, … inner channels, four times that outside. */
anet_net *zoo_resnet50(int32_t size, int32_t width, const int32_t blocks[4], int32_t classes,
                       double seed);
/* The same with outputs at the ends of the last three stages and a feature pyramid on top. */
anet_net *zoo_detector(int32_t size, int32_t width, const int32_t blocks[4], double seed);
/* Outputs at the ends of all four stages. */
anet_net *zoo_segmenter(int32_t size, int32_t width, const int32_t blocks[4], double seed);
/* 17 inverted residuals in the groups of MobileNetV2, channels divided by `thin`. */
anet_net *zoo_mobilenetv2(int32_t size, int32_t thin, int32_t classes, double seed);
/* Inverted residuals with squeeze-and-excitation, the first ones fused (EfficientNetV2). */
anet_net *zoo_efficientnet(int32_t size, int32_t classes, double seed);
anet_net *zoo_mobilenetv1(int32_t size, int32_t width, int32_t classes, double seed);
anet_net *zoo_squeezenet(int32_t size, int32_t width, int32_t classes, double seed);
/* Groups of 2, 2, 3 convolutions with a pool after each; norms or, without, biases. */
anet_net *zoo_vgg(int32_t size, int32_t width, int32_t norms, int32_t classes, double seed);
/* Norm and activation before the convolutions (He et al. 2016 b). */
anet_net *zoo_preact(int32_t size, int32_t width, int32_t blocks, int32_t classes, double seed);
/* Residual blocks inside a shortcut over all of them, an image in and out (EDSR). */
anet_net *zoo_edsr(int32_t size, int32_t width, int32_t blocks, double seed);
/* Two residual levels down and up again with a skip connection (U-Net). */
anet_net *zoo_unet(int32_t size, int32_t width, double seed);

/* Residual blocks off the beaten track: grouped convolutions (ResNeXt), a shortcut without weights,
 * shortcuts after a norm, an addition of two equal branches. */
anet_net *zoo_oddities(int32_t size, int32_t classes, double seed);
/* Layers that add 12 channels each to what they read (DenseNet). */
anet_net *zoo_densenet(int32_t size, int32_t layers, int32_t classes, double seed);
/* Three branches side by side: 1x1, 1x1 then 3x3, pool then 1x1 (Inception). */
anet_net *zoo_inception(int32_t size, int32_t blocks, int32_t classes, double seed);

/* Random weights, norms with random gains, shifts, means and variances. */
int zoo_fill(anet_net *net, double seed);
/* Fill values with (-1, 1). */
void zoo_images(float *values, int32_t count, double seed);

#endif
