using System.Globalization;
using System.Reflection;

namespace Millrace.Tidy.Tests;

/// <summary>The public and protected surface of an assembly as sorted lines of text, one a member.</summary>
internal static class PublicApiText
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
    private static readonly NullabilityInfoContext Nullability = new();

    public static IReadOnlyList<string> Of(Assembly assembly)
    {
        var lines = new List<string>();
        foreach (var type in assembly.GetExportedTypes())
        {
            lines.Add(Describe(type));
            lines.AddRange(type.GetMembers(Declared).Where(IsVisible).Select(member => $"{NameOf(type)}.{Describe(member)}"));
        }

        lines.Sort(StringComparer.Ordinal);
        return lines;
    }

    private static bool IsVisible(MemberInfo member) => member switch
    {
        MethodInfo { IsSpecialName: true } method => method.Name.StartsWith("op_", StringComparison.Ordinal) && !IsGenerated(member),
        MethodBase method => IsVisible(method) && !IsGenerated(member),
        FieldInfo field => (field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly) && !field.IsSpecialName,
        PropertyInfo property => property.GetAccessors(nonPublic: true).Any(IsVisible) && !IsGenerated(member),
        EventInfo @event => IsVisible(@event.AddMethod!),
        _ => false,
    };

    private static bool IsVisible(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    // Members that the compiler writes for records are implied by the word record.
    private static bool IsGenerated(MemberInfo member) =>
        member.IsDefined(typeof(System.Runtime.CompilerServices.CompilerGeneratedAttribute))
        && (member is not PropertyInfo)
        || member.Name is "EqualityContract" or "PrintMembers" or "<Clone>$"
        || (member.Name is "op_Equality" or "op_Inequality" && IsRecord(member.DeclaringType!));

    private static string Describe(Type type)
    {
        var kind = type switch
        {
            { IsEnum: true } => "enum",
            { IsInterface: true } => "interface",
            _ when typeof(Delegate).IsAssignableFrom(type) => "delegate",
            { IsValueType: true } => IsRecord(type) ? "record struct" : "struct",
            _ => IsRecord(type) ? "record" : "class",
        };
        var modifier = type switch
        {
            { IsInterface: true } or { IsValueType: true } => "",
            { IsAbstract: true, IsSealed: true } => "static ",
            { IsAbstract: true } => "abstract ",
            { IsSealed: true } => "sealed ",
            _ => "",
        };
        var bases = new[] { type.BaseType }
            .Where(@base => @base is not null && @base != typeof(object) && @base != typeof(ValueType) && @base != typeof(Enum) && @base != typeof(MulticastDelegate))
            .Concat(type.IsEnum ? [] : type.GetInterfaces().Where(contract => contract.IsPublic && contract.Name is not ("ISerializable" or "IEquatable`1")))
            .Select(@base => NameOf(@base!))
            .Order(StringComparer.Ordinal)
            .ToList();
        return $"{NameOf(type)} : {modifier}{kind}{(bases.Count == 0 ? "" : " (" + string.Join(", ", bases) + ")")}";
    }

    private static bool IsRecord(Type type) => type.GetMethod("PrintMembers", Declared) is not null;

    private static string Describe(MemberInfo member) => member switch
    {
        ConstructorInfo constructor => $"new({Parameters(constructor)})",
        MethodInfo method => $"{Modifiers(method)}{method.Name}{TypeArguments(method)}({Parameters(method)}) -> {NameOf(method.ReturnType)}{Mark(Nullability.Create(method.ReturnParameter).ReadState, method.ReturnType)}",
        PropertyInfo property => $"{Modifiers((property.GetMethod ?? property.SetMethod)!)}{property.Name} {{ {Accessors(property)}}} -> {NameOf(property.PropertyType)}{Mark(Nullability.Create(property).ReadState, property.PropertyType)}",
        FieldInfo { IsLiteral: true } field => $"const {field.Name} = {Convert.ToString(field.GetRawConstantValue(), CultureInfo.InvariantCulture)}",
        FieldInfo field => $"{(field.IsStatic ? "static " : "")}{field.Name} -> {NameOf(field.FieldType)}",
        EventInfo @event => $"event {@event.Name} -> {NameOf(@event.EventHandlerType!)}",
        _ => member.Name,
    };

    private static string Modifiers(MethodInfo method)
    {
        var access = method.IsPublic ? "" : "protected ";
        var kind = method switch
        {
            { IsStatic: true } => "static ",
            { DeclaringType.IsInterface: true } => "",
            { IsAbstract: true } => "abstract ",
            { IsVirtual: true, IsFinal: false } => method.GetBaseDefinition() == method ? "virtual " : "override ",
            _ => "",
        };
        return access + kind;
    }

    private static string Accessors(PropertyInfo property)
    {
        var get = property.GetMethod is { } getter && IsVisible(getter) ? "get; " : "";
        var isInit = property.SetMethod?.ReturnParameter.GetRequiredCustomModifiers().Any(modifier => modifier.Name == "IsExternalInit") ?? false;
        var set = property.SetMethod is { } setter && IsVisible(setter) ? (isInit ? "init; " : "set; ") : "";
        var required = property.IsDefined(typeof(System.Runtime.CompilerServices.RequiredMemberAttribute)) ? "required " : "";
        return required + get + set;
    }

    private static string Parameters(MethodBase method) =>
        string.Join(", ", method.GetParameters().Select(parameter =>
            $"{NameOf(parameter.ParameterType)}{Mark(Nullability.Create(parameter).ReadState, parameter.ParameterType)} {parameter.Name}{(parameter.IsOptional ? " = " + Default(parameter) : "")}"));

    private static string Default(ParameterInfo parameter) =>
        parameter.HasDefaultValue && parameter.DefaultValue is { } value ? Convert.ToString(value, CultureInfo.InvariantCulture)! : "default";

    private static string Mark(NullabilityState state, Type type) => state == NullabilityState.Nullable && !type.IsValueType ? "?" : "";

    private static string TypeArguments(MethodInfo method) =>
        method.IsGenericMethod ? $"<{string.Join(", ", method.GetGenericArguments().Select(NameOf))}>" : "";

    private static string NameOf(Type type)
    {
        if (type.IsGenericParameter)
        {
            return type.Name;
        }

        if (type.HasElementType)
        {
            var suffix = type.IsArray ? "[]" : type.IsByRef ? "&" : "*";
            return NameOf(type.GetElementType()!) + suffix;
        }

        var name = type.IsNested ? $"{NameOf(type.DeclaringType!)}.{type.Name}" : $"{type.Namespace}.{type.Name}";
        name = name.Split('`')[0];
        name = name.StartsWith("System.", StringComparison.Ordinal) ? type.Name.Split('`')[0] : name;
        return type.IsGenericType ? $"{name}<{string.Join(", ", type.GetGenericArguments().Select(NameOf))}>" : name;
    }
}
