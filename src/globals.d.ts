declare const __SBX_VERSION__: string;
