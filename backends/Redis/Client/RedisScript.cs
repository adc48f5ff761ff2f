using System.Security.Cryptography;
using System.Text;

namespace Millrace.Redis.Client;

/// <summary>A Lua script, sent by its digest; a server that does not have it yet is given it once. Immutable; keep it in a static field.</summary>
internal sealed class RedisScript
{
    private RedisScript(string name, byte[] text)
    {
        Name = name;
        Text = text;
        Digest = Encoding.ASCII.GetBytes(Convert.ToHexStringLower(DigestOf(text)));
    }

    /// <summary>The name, for errors.</summary>
    public string Name { get; }

    /// <summary>The text, in UTF-8.</summary>
    public ReadOnlyMemory<byte> Text { get; }

    /// <summary>The SHA-1 of the text in hexadecimal digits, by which EVALSHA names it.</summary>
    public ReadOnlyMemory<byte> Digest { get; }

    /// <summary>A script from files that are embedded in this assembly, one after the other: what several scripts share stands in a file of its own.</summary>
    /// <param name="files">Such as <c>Queues/shared.lua</c>, <c>Queues/lease.lua</c>; the last one names the script.</param>
    public static RedisScript Load(params ReadOnlySpan<string> files)
    {
        using var text = new MemoryStream();
        foreach (var file in files)
        {
            using var resource = typeof(RedisScript).Assembly.GetManifestResourceStream("Millrace.Redis." + file)
                ?? throw new InvalidOperationException($"There is no script '{file}' in the assembly.");
            resource.CopyTo(text);
            text.WriteByte((byte)'\n');
        }

        return new RedisScript(files[^1], text.ToArray());
    }

    /// <summary>A script from its text.</summary>
    public static RedisScript Of(string name, string text) => new(name, Encoding.UTF8.GetBytes(text));

    /// <summary>A call of the script. Add its arguments next.</summary>
    /// <param name="keys">The keys that it touches, all of one hash tag on a Cluster.</param>
    public RedisCommand Call(params ReadOnlySpan<string> keys)
    {
        var command = RedisCommand.Create("EVALSHA", this).Add(Digest.Span).Add(keys.Length);
        foreach (var key in keys)
        {
            command.AddKey(key);
        }

        return command;
    }

    // Redis names scripts by SHA-1; nothing is protected by it.
#pragma warning disable CA5350
    private static byte[] DigestOf(byte[] text) => SHA1.HashData(text);
#pragma warning restore CA5350
}
