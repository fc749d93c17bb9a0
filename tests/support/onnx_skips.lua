-- Cases of ONNX's conformance suite that use the engine's ops and do not run, each under its reason.
return {
  ['3-D windows: an image has two axes'] = [[
    node/test_averagepool_3d_default node/test_convtranspose_3d node/test_maxpool_3d_default
    pytorch-converted/test_AvgPool3d pytorch-converted/test_AvgPool3d_stride
    pytorch-converted/test_AvgPool3d_stride1_pad0_gpu_input pytorch-converted/test_Conv3d
    pytorch-converted/test_Conv3d_dilated pytorch-converted/test_Conv3d_dilated_strided
    pytorch-converted/test_Conv3d_groups pytorch-converted/test_Conv3d_no_bias pytorch-converted/test_Conv3d_stride
    pytorch-converted/test_Conv3d_stride_padding pytorch-converted/test_MaxPool3d
    pytorch-converted/test_MaxPool3d_stride pytorch-converted/test_MaxPool3d_stride_padding
  ]],
  ['training is the engine\'s own affair'] = [[
    node/test_batchnorm_epsilon_training_mode node/test_batchnorm_example_training_mode node/test_training_dropout
    node/test_training_dropout_default node/test_training_dropout_default_mask node/test_training_dropout_mask
  ]],
  ['bfloat16 handed over as its bits'] = [[
    node/test_cast_BFLOAT16_to_FLOAT node/test_cast_FLOAT_to_BFLOAT16 node/test_castlike_BFLOAT16_to_FLOAT_expanded
    node/test_castlike_FLOAT_to_BFLOAT16_expanded
  ]],
  ['texts are no values of the engine'] = [[
    node/test_cast_FLOAT_to_STRING node/test_cast_STRING_to_FLOAT node/test_castlike_FLOAT_to_STRING_expanded
    node/test_castlike_STRING_to_FLOAT_expanded
  ]],
  ['sequences and optional values are no arrays'] = [[
    node/test_identity_opt node/test_identity_sequence
  ]],
  ['tensors have at most 5 axes'] = [[
    node/test_nllloss_NCd1d2d3d4d5_mean_weight_expanded node/test_nllloss_NCd1d2d3d4d5_none_no_weight_expanded
    node/test_unsqueeze_three_axes node/test_unsqueeze_unsorted_axes pytorch-operator/test_operator_permute2
  ]],
  ['a shape is computed while it runs'] = [[
    node/test_blackmanwindow_expanded node/test_blackmanwindow_symmetric_expanded node/test_constantofshape_float_ones
    node/test_constantofshape_int_shape_zero node/test_constantofshape_int_zeros node/test_hammingwindow_expanded
    node/test_hammingwindow_symmetric_expanded node/test_hannwindow_expanded node/test_hannwindow_symmetric_expanded
    node/test_range_float_type_positive_delta node/test_range_int32_type_negative_delta
  ]],
  ['values stay as they were before they were quantised'] = [[
    node/test_dequantizelinear node/test_dequantizelinear_axis node/test_dynamicquantizelinear_expanded
    node/test_dynamicquantizelinear_max_adjusted_expanded node/test_dynamicquantizelinear_min_adjusted_expanded
    node/test_quantizelinear node/test_quantizelinear_axis
  ]],
  ['places in the whole batch: an op sees one image'] = [[
    node/test_maxpool_with_argmax_2d_precomputed_pads node/test_maxpool_with_argmax_2d_precomputed_strides
  ]],
  ['an axis of size 0'] = [[
    node/test_reshape_allowzero_reordered node/test_slice_start_out_of_bounds node/test_split_zero_size_splits
  ]],
  ['a value of 3 beside the batch of another'] = [[
    node/test_and_bcast4v4d node/test_or_bcast4v4d node/test_xor_bcast4v4d
  ]],
  ['a matrix that is computed is added or multiplied'] = [[
    node/test_gemm_default_matrix_bias pytorch-operator/test_operator_addmm
  ]],
  ['a slope a pixel'] = [[
    node/test_prelu_broadcast node/test_prelu_example pytorch-converted/test_PReLU_3d_multiparam
  ]],
  ['resize: cubic, or scales that make no whole size'] = [[
    node/test_resize_downsample_scales_cubic node/test_resize_downsample_scales_cubic_A_n0p5_exclude_outside
    node/test_resize_downsample_scales_cubic_align_corners node/test_resize_downsample_scales_linear
    node/test_resize_downsample_scales_linear_align_corners node/test_resize_downsample_scales_nearest
    node/test_resize_downsample_sizes_cubic node/test_resize_downsample_sizes_linear_pytorch_half_pixel
    node/test_resize_downsample_sizes_nearest_tf_half_pixel_for_nn node/test_resize_tf_crop_and_resize
    node/test_resize_upsample_scales_cubic node/test_resize_upsample_scales_cubic_A_n0p5_exclude_outside
    node/test_resize_upsample_scales_cubic_align_corners node/test_resize_upsample_scales_cubic_asymmetric
    node/test_resize_upsample_sizes_cubic
  ]],
  ['a window of over 2048 pixels'] = [[
    pytorch-converted/test_MaxPool2d_stride_padding_dilation
  ]],
  ['nothing is computed'] = [[
    node/test_constant
  ]],
  ['more axes than images have'] = [[
    pytorch-converted/test_BatchNorm3d_eval pytorch-converted/test_BatchNorm3d_momentum_eval
  ]],
}
