using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Millrace.Storage.FileLog.Streams;

/// <summary>Names of streams as names of folders, alike on every file system: also on those that know no case, or forbid some names.</summary>
internal static class StreamNames
{
    /// <summary>Longer names are cut off and told apart by a hash: a folder's name has at most 255 bytes.</summary>
    private const int MaxLength = 180;

    private const int KeptOfLongNames = 100;
    private const int HashBytes = 16;

    private static readonly string[] Devices = ["con", "prn", "aux", "nul", "com", "lpt", "conin$", "conout$", "clock$"];

    /// <summary>
    /// The folder of a stream: lower-case letters, digits, <c>-</c>, <c>_</c> and inner dots stand for themselves, every other byte of UTF-8 is <c>%XX</c>. A name that gets too long ends in
    /// <c>~</c> and a hash of the whole, so that the name itself must be read from the manifest inside.
    /// </summary>
    public static string FolderOf(string stream)
    {
        var bytes = Encoding.UTF8.GetBytes(stream);
        var text = new StringBuilder(bytes.Length);
        for (var i = 0; i < bytes.Length; i++)
        {
            var c = (char)bytes[i];
            var isPlain = char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '_' || (c == '.' && i > 0 && i < bytes.Length - 1);
            if (isPlain && !(i == 0 && MayBeDevice(stream)))
            {
                text.Append(c);
            }
            else
            {
                text.Append('%').Append(bytes[i].ToString("X2", CultureInfo.InvariantCulture));
            }
        }

        return text.Length <= MaxLength
            ? text.ToString()
            : string.Concat(text.ToString(0, KeptOfLongNames), "~", Convert.ToHexStringLower(SHA256.HashData(bytes).AsSpan(0, HashBytes)));
    }

    private static bool MayBeDevice(string stream) => Array.Exists(Devices, device => stream.StartsWith(device, StringComparison.OrdinalIgnoreCase));
}
