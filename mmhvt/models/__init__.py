"""Models. Each is imported when it is first used, so that a backbone needs only mmcv."""

from mmhvt.utils.lazy import lazy_attributes

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        'backbones': ['Hiera', 'MViT', 'SMViT', 'UniFormerV2', 'VideoSwin', 'VisionTransformer'],
        'backbones.uniformerv2_blocks': [
            'C_MHRA',
            'DPE',
            'GS_MHRA',
            'LT_MHRA',
            'GlobalUniBlock',
            'LocalUniBlock',
            'MultiStageFusion',
            'STAdapter',
            'TemporalAttention',
            'TemporalConv',
        ],
        'detectors': ['ActionDetector', 'InstanceTTAModel', 'NormedRPNHead', 'OneMaskCascadeRoIHead'],
        'heads': ['CoTrainingHead', 'FeatureHead', 'ImageHead', 'MultiLabelHead', 'RecognitionHead'],
        'necks': ['SimpleFeaturePyramid'],
        'selfsup': ['MAE'],
        'utils': ['MixupCutmix'],
    },
)
