/** The environment variables of programs. */

/** Variables of the caller's that a program gets; everything else has to be declared with `variable` or `secret`. */
export const PASSED_VARIABLES: readonly string[] = [
  'HOME',
  'USER',
  'LOGNAME',
  // How the network is reached, and whom to trust on it.
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  // Without these nothing starts on Windows.
  'SystemRoot',
  'SYSTEMROOT',
  'ComSpec',
  'PATHEXT',
  'WINDIR',
  'USERPROFILE',
  'APPDATA',
  'LOCALAPPDATA',
  'NUMBER_OF_PROCESSORS',
];

/** Variables that are the same on each machine, so that locale, time zone and hash order decide nothing. */
export const FIXED_VARIABLES: Readonly<Record<string, string>> = {
  LANG: 'C.UTF-8',
  LC_ALL: 'C.UTF-8',
  TZ: 'UTC',
  PYTHONHASHSEED: '0',
  PYTHONDONTWRITEBYTECODE: '1',
  PYTHONUNBUFFERED: '1',
};
