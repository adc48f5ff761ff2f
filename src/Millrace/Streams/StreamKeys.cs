using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Millrace.Streams;

/// <summary>The keys under which the documents of streams and groups stand. No name has a '!', so no user's key is among them, and none is ambiguous.</summary>
internal static class StreamKeys
{
    public const string StreamPrefix = "!stream!";
    public const string GroupPrefix = "!group!";

    // Two of these, the rest of a key and its number fit into a key; longer names are hashed, and stand in the document.
    private const int MaxTokenBytes = 64;

    public static string OfStream(string stream) => StreamPrefix + stream;

    /// <summary>What the keys of all groups of a stream begin with.</summary>
    public static string OfGroups(string stream) => $"{GroupPrefix}{TokenOf(stream)}!";

    /// <summary>What the keys of one group begin with.</summary>
    public static string OfGroup(string stream, string group) => $"{OfGroups(stream)}{TokenOf(group)}!";

    public static string OfPartitions(string stream, string group) => OfGroup(stream, group) + "p!";

    public static string OfPartition(string stream, string group, int partition) => OfPartitions(stream, group) + partition.ToString("D4", CultureInfo.InvariantCulture);

    public static string OfMembers(string stream, string group) => OfGroup(stream, group) + "m!";

    public static string OfMember(string stream, string group, string member) => OfMembers(stream, group) + member;

    /// <summary>The document that is written whenever members should look at their group again: the one that they wait for.</summary>
    public static string OfBell(string stream, string group) => OfGroup(stream, group) + "bell";

    /// <summary>Whether a key that begins as those of groups do is one of a partition.</summary>
    public static bool IsPartition(string key) => key.Length > 6 && key.AsSpan(key.Length - 6, 2) is "p!" && key[^7] == '!';

    private static string TokenOf(string name)
    {
        var bytes = Encoding.UTF8.GetBytes(name);
        return bytes.Length <= MaxTokenBytes ? name : "!" + Base64Url.EncodeToString(SHA256.HashData(bytes));
    }
}
