-- Cases of ONNX's conformance suite that use the engine's ops and do not run, each under its reason.
return {
  ['values are floats, not whole numbers'] = [[
    node/test_add_uint8 node/test_blackmanwindow_expanded node/test_blackmanwindow_symmetric_expanded
    node/test_clip_default_int8_inbounds node/test_clip_default_int8_max node/test_clip_default_int8_min
    node/test_constantofshape_float_ones node/test_constantofshape_int_shape_zero node/test_constantofshape_int_zeros
    node/test_dequantizelinear node/test_dequantizelinear_axis node/test_div_uint8
    node/test_dynamicquantizelinear_expanded node/test_dynamicquantizelinear_max_adjusted_expanded node/test_edge_pad
    node/test_equal node/test_equal_bcast node/test_hammingwindow_expanded node/test_hammingwindow_symmetric_expanded
    node/test_hannwindow_expanded node/test_hannwindow_symmetric_expanded node/test_max_int16 node/test_max_int32
    node/test_max_int64 node/test_max_int8 node/test_max_uint16 node/test_max_uint32 node/test_max_uint64
    node/test_max_uint8 node/test_maxpool_2d_uint8 node/test_min_int16 node/test_min_int32 node/test_min_int64
    node/test_min_int8 node/test_min_uint16 node/test_min_uint32 node/test_min_uint64 node/test_min_uint8
    node/test_mod_broadcast node/test_mod_int64_fmod node/test_mod_mixed_sign_int16 node/test_mod_mixed_sign_int32
    node/test_mod_mixed_sign_int64 node/test_mod_mixed_sign_int8 node/test_mod_uint16 node/test_mod_uint32
    node/test_mod_uint64 node/test_mod_uint8 node/test_mul_uint8 node/test_pow_types_float
    node/test_pow_types_int32_float32 node/test_pow_types_int32_int32 node/test_pow_types_int64_float32
    node/test_pow_types_int64_int64 node/test_range_int32_type_negative_delta node/test_reflect_pad
    node/test_sub_uint8 pytorch-converted/test_Embedding pytorch-converted/test_Embedding_sparse
    pytorch-operator/test_operator_non_float_params
  ]],
  ['values are floats, not booleans'] = [[
    node/test_and2d node/test_and3d node/test_and4d node/test_and_bcast3v1d node/test_and_bcast3v2d
    node/test_and_bcast4v2d node/test_and_bcast4v3d node/test_and_bcast4v4d node/test_not_2d node/test_not_3d
    node/test_not_4d node/test_or2d node/test_or3d node/test_or4d node/test_or_bcast3v1d node/test_or_bcast3v2d
    node/test_or_bcast4v2d node/test_or_bcast4v3d node/test_or_bcast4v4d node/test_where_example
    node/test_where_long_example
  ]],
  ['more axes than images have'] = [[
    node/test_averagepool_3d_default node/test_convtranspose_3d node/test_maxpool_3d_default
    node/test_unsqueeze_three_axes node/test_unsqueeze_unsorted_axes pytorch-converted/test_AvgPool3d
    pytorch-converted/test_AvgPool3d_stride pytorch-converted/test_AvgPool3d_stride1_pad0_gpu_input
    pytorch-converted/test_BatchNorm3d_eval pytorch-converted/test_BatchNorm3d_momentum_eval
    pytorch-converted/test_Conv3d pytorch-converted/test_Conv3d_dilated pytorch-converted/test_Conv3d_dilated_strided
    pytorch-converted/test_Conv3d_groups pytorch-converted/test_Conv3d_no_bias pytorch-converted/test_Conv3d_stride
    pytorch-converted/test_Conv3d_stride_padding pytorch-converted/test_MaxPool3d
    pytorch-converted/test_MaxPool3d_stride pytorch-converted/test_MaxPool3d_stride_padding
    pytorch-operator/test_operator_permute2
  ]],
  ['training is the engine\'s own affair'] = [[
    node/test_batchnorm_epsilon_training_mode node/test_batchnorm_example_training_mode node/test_training_dropout
    node/test_training_dropout_default node/test_training_dropout_default_mask node/test_training_dropout_mask
    node/test_training_dropout_zero_ratio node/test_training_dropout_zero_ratio_mask
  ]],
  ['bfloat16 handed over as its bits'] = [[
    node/test_cast_BFLOAT16_to_FLOAT node/test_cast_FLOAT_to_BFLOAT16 node/test_castlike_BFLOAT16_to_FLOAT_expanded
    node/test_castlike_FLOAT_to_BFLOAT16_expanded
  ]],
  ['texts are no values of the engine'] = [[
    node/test_cast_FLOAT_to_STRING node/test_cast_STRING_to_FLOAT node/test_castlike_FLOAT_to_STRING_expanded
    node/test_castlike_STRING_to_FLOAT_expanded
  ]],
  ['nothing is computed'] = [[
    node/test_constant
  ]],
  ['an output that only training needs'] = [[
    node/test_dropout_default_mask node/test_dropout_default_mask_ratio
    node/test_maxpool_with_argmax_2d_precomputed_pads node/test_maxpool_with_argmax_2d_precomputed_strides
  ]],
  ['values stay as they were before they were quantised'] = [[
    node/test_dynamicquantizelinear_min_adjusted_expanded node/test_quantizelinear node/test_quantizelinear_axis
  ]],
  ['a matrix that is computed is added or multiplied'] = [[
    node/test_gemm_default_matrix_bias pytorch-operator/test_operator_addmm
  ]],
  ['of constants alone'] = [[
    node/test_greater node/test_greater_bcast node/test_greater_equal_bcast_expanded node/test_greater_equal_expanded
    node/test_less node/test_less_bcast node/test_less_equal_bcast_expanded node/test_less_equal_expanded
    node/test_mod_mixed_sign_float16 node/test_mod_mixed_sign_float32 node/test_mod_mixed_sign_float64
    node/test_range_float_type_positive_delta
  ]],
  ['sequences and optional values are no arrays'] = [[
    node/test_identity_opt node/test_identity_sequence
  ]],
  ['a slope a pixel'] = [[
    node/test_prelu_broadcast node/test_prelu_example pytorch-converted/test_PReLU_3d_multiparam
  ]],
  ['products of computed values'] = [[
    node/test_reduce_prod_default_axes_keepdims_example node/test_reduce_prod_default_axes_keepdims_random
    node/test_reduce_prod_do_not_keepdims_example node/test_reduce_prod_do_not_keepdims_random
    node/test_reduce_prod_keepdims_example node/test_reduce_prod_keepdims_random
    node/test_reduce_prod_negative_axes_keepdims_example node/test_reduce_prod_negative_axes_keepdims_random
  ]],
  ['an axis of size 0'] = [[
    node/test_reshape_allowzero_reordered
  ]],
  ['resize: no cubic interpolation'] = [[
    node/test_resize_downsample_scales_cubic node/test_resize_downsample_scales_cubic_A_n0p5_exclude_outside
    node/test_resize_downsample_scales_cubic_align_corners node/test_resize_downsample_sizes_cubic
    node/test_resize_upsample_scales_cubic node/test_resize_upsample_scales_cubic_A_n0p5_exclude_outside
    node/test_resize_upsample_scales_cubic_align_corners node/test_resize_upsample_scales_cubic_asymmetric
    node/test_resize_upsample_sizes_cubic
  ]],
  ['resize: scales that make no whole size'] = [[
    node/test_resize_downsample_scales_linear node/test_resize_downsample_scales_linear_align_corners
    node/test_resize_downsample_scales_nearest
  ]],
  ['resize: a rare way of counting pixels'] = [[
    node/test_resize_downsample_sizes_linear_pytorch_half_pixel
    node/test_resize_downsample_sizes_nearest_tf_half_pixel_for_nn node/test_resize_tf_crop_and_resize
  ]],
  ['slice: steps, and nothing left'] = [[
    node/test_slice_neg_steps node/test_slice_start_out_of_bounds
  ]],
  ['an axis of size 0 or unknown'] = [[
    node/test_split_zero_size_splits
  ]],
  ['a window of over 2048 pixels'] = [[
    pytorch-converted/test_MaxPool2d_stride_padding_dilation
  ]],
}
