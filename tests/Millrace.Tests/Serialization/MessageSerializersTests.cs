using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Millrace.Serialization;
using Xunit;

namespace Millrace.Tests.Serialization;

public sealed partial class MessageSerializersTests
{
    private readonly MessageSerializers _serializers = new();

    [Theory]
    [InlineData(typeof(byte[]), null, "application/octet-stream")]
    [InlineData(typeof(ReadOnlyMemory<byte>), null, "application/octet-stream")]
    [InlineData(typeof(string), null, "text/plain")]
    [InlineData(typeof(Point), null, "application/json")]
    [InlineData(typeof(string), "json", "application/json")]
    [InlineData(typeof(Point), " JSON ", "application/json")]
    [InlineData(typeof(Point), "application/json; charset=utf-8", "application/json")]
    public void AType_IsWrittenByItsSerializer(Type type, string? name, string contentType) =>
        Assert.Equal(contentType, _serializers.ForSending(type, name).ContentType);

    [Theory]
    [InlineData("application/json")]
    [InlineData("Application/JSON; charset=utf-8")]
    [InlineData("application/vnd.acme.point+json")]
    [InlineData(null)]
    [InlineData("")]
    public void AJsonBody_IsReadByItsContentType(string? contentType)
    {
        var serializer = _serializers.ForReading(typeof(Point), contentType, _serializers.Get("json"));

        Assert.Equal(new Point(1, 2), serializer.Deserialize<Point>("""{"x":1,"y":2}"""u8.ToArray()));
    }

    [Fact]
    public void BytesAndTexts_ReadEveryContentType()
    {
        var body = """{"x":1}"""u8.ToArray();

        Assert.Equal(body, _serializers.ForReading(typeof(byte[]), "application/json", _serializers.Get("bytes")).Deserialize<byte[]>(body));
        Assert.Equal("""{"x":1}""", _serializers.ForReading(typeof(string), "application/json", _serializers.Get("text")).Deserialize<string>(body));
        Assert.Equal(body, _serializers.ForReading(typeof(ReadOnlyMemory<byte>), "x/y", _serializers.Get("bytes")).Deserialize<ReadOnlyMemory<byte>>(body).ToArray());
    }

    [Fact]
    public void AStringSentAsJson_IsReadAsJson() =>
        Assert.Equal("a", _serializers.ForReading(typeof(string), "application/json", _serializers.Get("json")).Deserialize<string>("\"a\""u8.ToArray()));

    [Fact]
    public void TextThatIsNotUtf8_IsNotPatchedUp() =>
        Assert.ThrowsAny<ArgumentException>(() => _serializers.Get("text").Deserialize<string>(new byte[] { 0xC3, 0x28 }));

    [Theory]
    [InlineData("application/x-unknown", "no serializer for the content type 'application/x-unknown'")]
    [InlineData("text/plain", "cannot be read as Point")]
    public void AContentTypeThatNothingReads_IsUnreadable(string contentType, string problem)
    {
        var refusal = Assert.Throws<MessageSerializationException>(() => _serializers.ForReading(typeof(Point), contentType, _serializers.Get("json")));

        Assert.Contains(problem, refusal.Message, StringComparison.Ordinal);
        Assert.Equal(contentType, refusal.ContentType);
    }

    [Fact]
    public void ASerializerOfOnesOwn_IsFoundByNameAndContentType()
    {
        var csv = new CsvSerializer();

        _serializers.Add("csv", csv);

        Assert.Same(csv, _serializers.Get("CSV"));
        Assert.Same(csv, _serializers.Get("text/csv"));
        Assert.Equal(["bytes", "csv", "json", "text"], _serializers.Names);
        Assert.Contains("csv", Assert.Throws<MillraceConfigurationException>(() => _serializers.Add("csv", csv)).Message, StringComparison.Ordinal);
        _serializers.Add("csv", csv, replace: true);
    }

    [Fact]
    public void AnUnknownName_ListsTheKnownOnes()
    {
        var refusal = Assert.Throws<MillraceConfigurationException>(() => _serializers.Get("msgpack"));

        Assert.Equal("There is no serializer 'msgpack'. Registered are bytes, json, text.", refusal.Message);
    }

    [Fact]
    public void ASerializerThatDoesNotSupportTheType_IsRefused() =>
        Assert.Contains("does not support", Assert.Throws<MillraceConfigurationException>(() => _serializers.ForSending(typeof(Point), "bytes")).Message, StringComparison.Ordinal);

    [Fact]
    public void SourceGeneratedMetadata_IsEnough_AndItsAbsenceIsSaid()
    {
        // As in a trimmed application: no resolver but the generated one.
        var json = new JsonMessageSerializer(new JsonSerializerOptions(JsonSerializerDefaults.Web) { TypeInfoResolver = JsonTypeInfoResolver.Combine(PointContext.Default) });
        _serializers.Add("json", json, replace: true);
        var output = new ArrayBufferWriter<byte>();

        _serializers.ForSending(typeof(Point), null).Serialize(new Point(3, 4), output);

        Assert.Equal("""{"x":3,"y":4}""", Encoding.UTF8.GetString(output.WrittenSpan));
        Assert.Contains("UseJson", Assert.Throws<MillraceConfigurationException>(() => _serializers.ForSending(typeof(Version), null)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("{")]
    [InlineData("[1,2]")]
    [InlineData("")]
    public void JsonThatIsNoMessage_Throws(string body) =>
        Assert.Throws<JsonException>(() => _serializers.Get("json").Deserialize<Point>(Encoding.UTF8.GetBytes(body)));

    internal sealed record Point(int X, int Y);

    [JsonSerializable(typeof(Point))]
    private sealed partial class PointContext : JsonSerializerContext;

    private sealed class CsvSerializer : IMessageSerializer
    {
        public string ContentType => "text/csv";

        public void Serialize<T>(T message, IBufferWriter<byte> output) => output.Write(Encoding.UTF8.GetBytes($"{message}"));

        public T Deserialize<T>(ReadOnlyMemory<byte> body) => throw new NotSupportedException();
    }
}
