"""Boxes around objects as files hold them: COCO's JSON and Pascal VOC's XML."""
