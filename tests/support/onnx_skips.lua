-- Cases of ONNX's conformance suite that use the engine's ops and do not run, each under its reason.
return {
  ['training is the engine\'s own affair'] = [[
    node/test_batchnorm_epsilon_training_mode node/test_batchnorm_example_training_mode node/test_training_dropout
    node/test_training_dropout_default node/test_training_dropout_default_mask node/test_training_dropout_mask
  ]],
  ['bfloat16 has 8 bits of a number, and is handed over as its bits'] = [[
    node/test_cast_FLOAT_to_BFLOAT16 node/test_castlike_BFLOAT16_to_FLOAT_expanded
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
    node/test_dynamicquantizelinear_expanded node/test_dynamicquantizelinear_max_adjusted_expanded
    node/test_dynamicquantizelinear_min_adjusted_expanded node/test_quantizelinear node/test_quantizelinear_axis
  ]],
  ['places in the whole batch: an op sees one image'] = [[
    node/test_maxpool_with_argmax_2d_precomputed_pads node/test_maxpool_with_argmax_2d_precomputed_strides
  ]],
  ['an axis of size 0'] = [[
    node/test_reshape_allowzero_reordered node/test_slice_start_out_of_bounds node/test_split_zero_size_splits
  ]],
  ['nothing is computed'] = [[
    node/test_constant
  ]],
}
